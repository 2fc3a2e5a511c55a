backend trac { .url = "http://127.0.0.1:8000"; }
site "one.example" { .status = "status.example"; route "/" { .backend = trac; } }
site "two.example" { .status = "https://"; route "/" { .backend = trac; } }
site "three.example" { .status = "https://status.example/a page"; route "/" { .backend = trac; } }
site "four.example" { .status = "javascript://x/%0aalert(1)"; route "/" { .backend = trac; } }
site "five.example" { .status = yes; route "/" { .backend = trac; } }
