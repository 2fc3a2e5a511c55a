log visitors { .format = jsn; }
