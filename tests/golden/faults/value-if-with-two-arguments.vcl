let level = if(yes, "a");
