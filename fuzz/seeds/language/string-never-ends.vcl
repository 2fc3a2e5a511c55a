let domain = "scipy.example;
let b = "c";
