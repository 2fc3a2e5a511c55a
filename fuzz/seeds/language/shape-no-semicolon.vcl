let domain = "scipy.example"
let level = "test";
