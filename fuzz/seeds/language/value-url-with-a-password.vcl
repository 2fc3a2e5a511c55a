backend trac { .url = "http://me:secret@127.0.0.1:8000"; }
