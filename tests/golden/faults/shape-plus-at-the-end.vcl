let a = "b" +;
