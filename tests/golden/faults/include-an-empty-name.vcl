include "";
