;; attacks = [47]
;; does = "is a core module"
;; refused = "core module"
;; -- whole
(module)
