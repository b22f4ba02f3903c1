"""The same plaintexts through another library: SEAL 4, by way of TenSEAL (pip install tenseal==0.3.18 numpy).

python3 ckks_seal.py > ckks_seal.txt

N = 1024, 512 complex slots. First the inputs a and b, "re im re im" a slot, in units of 2^-20. Then for each
operation "op NAME DEVIATION" and 512 lines "re im" as SEAL decrypts them; DEVIATION is the standard deviation of
SEAL's own error in one part, against the exact result of NumPy.
"""
import numpy as np
import tenseal.sealapi as seal

N = 1024
SCALE = 2.0**40


def main():
    params = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    params.set_poly_modulus_degree(N)
    params.set_coeff_modulus(seal.CoeffModulus.Create(N, [60, 40, 40, 60]))
    context = seal.SEALContext(params, True, seal.SEC_LEVEL_TYPE.NONE)
    generator = seal.KeyGenerator(context)
    secret = generator.secret_key()
    public, relin, galois = seal.PublicKey(), seal.RelinKeys(), seal.GaloisKeys()
    generator.create_public_key(public)
    generator.create_relin_keys(relin)
    generator.create_galois_keys(galois)
    encoder = seal.CKKSEncoder(context)
    encryptor = seal.Encryptor(context, public)
    evaluator = seal.Evaluator(context)
    decryptor = seal.Decryptor(context, secret)

    def encrypt(z):
        plain, cipher = seal.Plaintext(), seal.Ciphertext()
        encoder.encode([complex(v) for v in z], SCALE, plain)
        encryptor.encrypt(plain, cipher)
        return cipher

    def call(method, *args):
        out = seal.Ciphertext()
        getattr(evaluator, method)(*args, out)
        return out

    def show(name, cipher, exact):
        plain = seal.Plaintext()
        decryptor.decrypt(cipher, plain)
        got = np.array(encoder.decode_complex(plain))
        error = np.concatenate([(got - exact).real, (got - exact).imag])
        print("op", name, repr(float(error.std())))
        for v in got:
            print("%.11f %.11f" % (v.real, v.imag))

    def multiply(x, y):
        product = call("multiply", x, y)
        evaluator.relinearize_inplace(product, relin)
        evaluator.rescale_to_next_inplace(product)
        return product

    rng = np.random.default_rng(31)
    units = rng.integers(-(2**20), 2**20 + 1, size=(4, N // 2))
    for row in units.T:
        print(*row)
    a = (units[0] + 1j * units[1]) * 2.0**-20
    b = (units[2] + 1j * units[3]) * 2.0**-20
    x, y = encrypt(a), encrypt(b)
    show("add", call("add", x, y), a + b)
    show("mul", multiply(x, y), a * b)
    show("rotate", call("rotate_vector", x, 7, galois), np.roll(a, -7))
    show("rotate_back", call("rotate_vector", x, -130, galois), np.roll(a, 130))
    show("conjugate", call("complex_conjugate", x, galois), a.conj())
    chain = multiply(call("add", call("rotate_vector", x, 1, galois), y), call("complex_conjugate", y, galois))
    show("chain", chain, (np.roll(a, -1) + b) * b.conj())


if __name__ == "__main__":
    main()
