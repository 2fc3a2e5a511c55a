table t THING { "a": "b", }
