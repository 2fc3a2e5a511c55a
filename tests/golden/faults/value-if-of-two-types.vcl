let a = if(yes, "a", 3);
