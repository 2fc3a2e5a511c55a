let a = "b");
