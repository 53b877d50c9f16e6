;; attacks = [48]
;; does = "lets everybody write to where compiled code is kept"
;; file = { cache = "shared" }
;; refused = "others may write to it"
;; -- on-batch
(unreachable)
