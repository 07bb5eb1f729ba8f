server { region = "eu" }
