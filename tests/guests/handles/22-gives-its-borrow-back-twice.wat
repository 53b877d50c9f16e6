;; attacks = [22]
;; does = "drops the batch twice"
;; dies = "plugin-trap"
;; -- on-batch
(call $drop (local.get $of))
