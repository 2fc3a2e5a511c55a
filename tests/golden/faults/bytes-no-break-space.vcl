let name = "a";
