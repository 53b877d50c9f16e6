;; attacks = [52, 1]
;; does = "a sink that loops for ever when its file is closed, so that nobody could ever replace it"
;; role = "sink"
;; dies = "plugin-cpu"
;; -- on-close
(loop $l (br $l))
