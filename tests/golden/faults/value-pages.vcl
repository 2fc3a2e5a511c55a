backend trac { .url = "http://127.0.0.1:8000"; }
site "one.example" { .pages = ""; route "/" { .backend = trac; } }
site "two.example" { .pages = "pages/{site}"; route "/" { .backend = trac; } }
site "three.example" { .fault_status = by_clause; route "/" { .backend = trac; .replace_errors = 500; } }
site "four.example" { route "/" { .redirect = "https://new.example/"; .replace_errors = yes; } }
