let a = ("b" + "c";
