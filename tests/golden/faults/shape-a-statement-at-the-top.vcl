set req.http.X = "1";
