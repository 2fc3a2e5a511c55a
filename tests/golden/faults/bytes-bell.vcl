let name = "ding";
