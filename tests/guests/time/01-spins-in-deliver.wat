;; attacks = [1]
;; does = "a sink that loops for ever when it is to deliver"
;; role = "sink"
;; dies = "plugin-deadline"
;; -- on-batch
(loop $l (br $l))
