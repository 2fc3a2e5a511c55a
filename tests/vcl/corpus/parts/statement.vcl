set req.http.X-Part = "yes";
