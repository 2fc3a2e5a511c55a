backend trac { .url = ; }
