let name = "í €";
