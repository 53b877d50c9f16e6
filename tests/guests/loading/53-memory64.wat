;; attacks = [53]
;; does = "declares a memory of 64-bit addresses"
;; refused = "memory64"
;; -- whole
(component
  (core module (memory i64 1)))
