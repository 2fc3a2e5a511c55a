let name = "a";
﻿let other = "b";
