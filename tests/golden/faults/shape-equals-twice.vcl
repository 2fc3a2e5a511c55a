let a == "b";
