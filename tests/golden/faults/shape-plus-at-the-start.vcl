let a = + "b";
