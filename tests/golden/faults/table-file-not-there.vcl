table t from file "no-such-file.txt";
