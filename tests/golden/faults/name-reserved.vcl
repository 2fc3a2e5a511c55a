let local = "a";
