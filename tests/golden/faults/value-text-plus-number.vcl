let a = "a" + 3;
