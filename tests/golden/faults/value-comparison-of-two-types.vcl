let a = if("a" == 3, "b", "c");
