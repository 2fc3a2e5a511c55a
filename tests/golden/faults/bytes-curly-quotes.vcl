let domain = “scipy.example”;
