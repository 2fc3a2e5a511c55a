sub tidy { unset req.http.Proxy; }
