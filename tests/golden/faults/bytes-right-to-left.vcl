let name = "abc‮def";
