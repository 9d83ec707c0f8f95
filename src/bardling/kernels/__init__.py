"""What a processor does best in one pass, in C++: around the products of training, and decoding.

torch multiplies the matrices. Everything between two products, which torch would do in many
passes over memory, is one function of a `.cpp` file here, forward and backward. They are compiled
on first use by the compiler that torch.compile would need too, and every one has a plain
counterpart in `model/`, with which it is compared in tests/kernels. Without a compiler that
counterpart does the work.
"""
