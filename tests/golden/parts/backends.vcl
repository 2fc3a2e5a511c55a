backend trac { .url = "http://127.0.0.1:8000"; .host_header = "trac.internal:8000"; .visitor_address = cut; }
backend svn  { .url = "https://[2001:db8::7]:8443/"; .ca = "ca.pem"; .tls_name = "svn.internal"; .between_bytes_timeout = 10m; }
backend moin { .url = "unix:{state}/moin.sock"; .idle_max = 0; }
backend home {
    .url = "https://old.internal";
    .pin = "sha256:9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08";
    .visitor_address = none;
}
