let name = "Müller";
