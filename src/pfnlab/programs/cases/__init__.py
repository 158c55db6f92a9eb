"""The catalogue of cases: kinds of mapping, neighbours, operations and failures, which every search takes."""
