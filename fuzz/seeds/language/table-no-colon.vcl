table t { "a" "1", }
