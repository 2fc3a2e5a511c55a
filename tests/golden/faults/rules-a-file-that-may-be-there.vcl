backend a { .url = "http://127.0.0.1:8000"; }
site "www.example" { route "/" { .backend = a; } }
sub vcl_recv { if (std.file_exists("/srv/maintenance")) { return (synth(503)); } }
