vcl 4.0;
sub tidy { unset req.http.Proxy; }
