let name = "À¯";
