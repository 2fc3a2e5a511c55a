let a = a + "b";
