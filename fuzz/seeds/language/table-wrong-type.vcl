table t INT { "a": "b", }
