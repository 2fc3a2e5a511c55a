probe tcp { .kind = tcp; .url = "/alive"; .expected_response = 204; }
probe values { .kind = fastcgi; .expected = "200"; }
probe word { .kind = udp; }
probe twice { .expected_response = 200; .expected = "200-299"; }
probe statuses { .expected = "2xx", "299-200", "99", "200-"; }
