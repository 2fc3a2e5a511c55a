let a = if("yes", "a", "b");
