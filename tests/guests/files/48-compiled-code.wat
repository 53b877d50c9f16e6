;; attacks = [48]
;; does = "is what this very host made of a plugin: code that the engine would run unseen"
;; file = "compiled-code"
;; refused = "compiled code"
;; -- on-batch
(unreachable)
