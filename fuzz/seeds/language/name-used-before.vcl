let host = "www." + domain;
let domain = "scipy.example";
