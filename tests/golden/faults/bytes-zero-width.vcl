let na​me = "a";
