let domain = "scipy.example";
let host = "www." + domian;
