;; attacks = [1]
;; does = "loops for ever when it is handed a batch"
;; dies = "plugin-cpu"
;; -- on-batch
(loop $l (br $l))
